"""Tables, figures and the page: reads plain tables, knows nothing of the house."""
