// @ts-check
// Icons as paths of 16 x 16: fonts may lack such signs.

const PATHS = /** @type {Record<string, string>} */ ({
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z",
  back: "M11 2.5v11L3 8z",
  on: "M5 2.5v11L13 8z",
  first: "M3 2.5h2v11H3zM13 2.5v11L6 8z",
  last: "M11 2.5h2v11h-2zM3 2.5v11L10 8z",
  eye: "M8 3C4 3 1.5 6.2.8 8 1.5 9.800 4 13 8 13s6.500-3.200 7.200-5C14.500 6.200 12 3 8 3zm0 8a3 3 0 110-6 3 3 0 010 6zm0-1.500a1.500 1.500 0 100-3 1.500 1.500 0 000 3z",
  hidden: "M2.300 1.300l12.400 12.400-1 1-2.500-2.500C10.300 12.700 9.200 13 8 13 4 13 1.500 9.800.8 8c.4-1 1.300-2.400 2.700-3.500L1.300 2.300zM8 3c4 0 6.500 3.200 7.200 5-.3.8-1 1.900-2 2.900l-2.400-2.400A3 3 0 007.500 5L5.900 3.400C6.500 3.100 7.200 3 8 3z",
  lock: "M4 7V5a4 4 0 018 0v2h1v7H3V7zm2 0h4V5a2 2 0 00-4 0z",
  open: "M4 7V5a4 4 0 017.700-1.500l-1.800.8A2 2 0 006 5v2h7v7H3V7z",
  up: "M8 3l5 6h-3.500v4h-3V9H3z",
  down: "M8 13L3 7h3.500V3h3v4H13z",
  bin: "M6 1h4v1.500h4V4H2V2.500h4zM3 5h10l-.7 10H3.700z",
});

/** @param {string} name @returns {SVGSVGElement} For the eye only: the words are beside it. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}
