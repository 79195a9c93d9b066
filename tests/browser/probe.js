// What a reader could not read, and what a page should not have. The value is plain data.
(() => {
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  const channels = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const over = (top, bottom) => {
    const alpha = top[3] ?? 1;
    return [0, 1, 2].map((i) => top[i] * alpha + bottom[i] * (1 - alpha));
  };
  // A gradient counts by each of its colours.
  const grounds = (element) => {
    if (!element) return [[255, 255, 255]];
    const style = getComputedStyle(element);
    const colours = style.backgroundImage.match(/rgba?\([^)]*\)/g) || [style.backgroundColor];
    const solid = colours.map(channels).filter((colour) => (colour[3] ?? 1) > 0);
    if (solid.length === 0) return grounds(element.parentElement);
    return solid.flatMap((colour) => (colour[3] ?? 1) === 1 ? [colour] : grounds(element.parentElement).map((below) => over(colour, below)));
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const faint = new Set();
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const box = element.getBoundingClientRect();
    if (!walker.currentNode.data.trim() || box.width < 2 || box.height < 2) continue;
    texts += 1;
    for (const ground of grounds(element)) {
      const colour = over(channels(getComputedStyle(element).color), ground);
      const found = contrast(colour, ground);
      if (found < 4.5) faint.add(`${found.toFixed(2)} ${element.className || element.tagName}: ${walker.currentNode.data.trim().slice(0, 40)}`);
    }
  }
  const wide = [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > innerWidth + 1);
  const squeezed = [...document.querySelectorAll("th, td, dd, summary")].filter((element) => element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 && getComputedStyle(element).display !== "inline" && !element.closest("thead"));
  return {
    squeezed: squeezed.map((element) => `${element.className || element.tagName}: ${element.innerText.slice(0, 30)}`).slice(0, 10),
    texts,
    faint: [...faint],
    ground: luminance(channels(getComputedStyle(document.body).backgroundColor)),
    pageWidth: document.documentElement.scrollWidth,
    windowWidth: innerWidth,
    wide: wide.map((element) => `${element.tagName}.${element.className}`).slice(0, 10),
    headings: [...document.querySelectorAll("h1, h2, h3")].map((heading) => Number(heading.tagName[1])),
    tablesWithoutHeaders: [...document.querySelectorAll("table")].filter((table) => !table.caption || !table.querySelector("thead th[scope=col]")).length,
    language: document.documentElement.lang,
    title: document.title,
    foreign: document.querySelectorAll("script, img, iframe, object, embed, link[rel=stylesheet], [onerror], [onclick]").length,
    bars: document.querySelectorAll(".bar").length,
    text: document.body.innerText,
  };
})()
