"""Parts used unchanged in three places or more."""
