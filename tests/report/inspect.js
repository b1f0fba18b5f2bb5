// Looks at the figures of a page as a browser draws them and writes what is wrong into the page.
window.addEventListener("load", () => {
  const wrong = [];
  const figures = [...document.querySelectorAll("figure svg")];
  const shown = (box) => box.width > 1 && box.height > 1;
  const inside = (box, frame) =>
    box.left >= frame.left - 1 && box.right <= frame.right + 1 && box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1;
  // a line of text is less tall than the box that a browser gives it
  const ink = (box) => {
    const upright = box.height > box.width;
    const x = upright ? 0.18 * box.width : 0.5, y = upright ? 0.5 : 0.18 * box.height;
    return { left: box.left + x, right: box.right - x, top: box.top + y, bottom: box.bottom - y };
  };
  const touch = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  for (const svg of figures) {
    const name = svg.getAttribute("aria-label"), frame = svg.getBoundingClientRect();
    if (!shown(frame)) { wrong.push(`${name}: nothing is drawn`); continue; }
    if (frame.right > document.documentElement.clientWidth) wrong.push(`${name}: wider than the page`);
    const marks = [...svg.querySelectorAll("path, use, rect, image")].filter((mark) => !mark.closest("defs"));
    const drawn = marks.map((mark) => mark.getBoundingClientRect()).filter((box) => box.width > 0 || box.height > 0);
    if (drawn.length < 4) wrong.push(`${name}: only ${drawn.length} marks`);
    const texts = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim());
    if (!texts.length) wrong.push(`${name}: no words`);
    const boxes = texts.map((text) => [text.textContent.trim(), text.getBoundingClientRect()]);
    for (const [words, box] of boxes) if (!inside(box, frame)) wrong.push(`${name}: "${words}" leaves the figure`);
    for (let i = 0; i < boxes.length; i++)
      for (let j = i + 1; j < boxes.length; j++)
        if (touch(ink(boxes[i][1]), ink(boxes[j][1]))) wrong.push(`${name}: "${boxes[i][0]}" lies on "${boxes[j][0]}"`);
  }
  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth) wrong.push(`the page is ${page.scrollWidth} px wide in a window of ${page.clientWidth}`);
  const told = document.createElement("pre");
  told.id = "inspected";
  told.textContent = JSON.stringify({ figures: figures.length, wrong });
  document.body.append(told);
});
