// Icons: strokes on a grid of 16. They say nothing by themselves; the control's label does.

const PATHS = {
  plus: "M8 3v10M3 8h10",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.5 10.5 14 14",
  more: "M3 8h.01M8 8h.01M13 8h.01",
  star: "m8 2 1.8 3.8 4.2.6-3 2.9.7 4.2L8 11.5l-3.7 2 .7-4.2-3-2.9 4.2-.6z",
  sun: "M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
  moon: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z",
  close: "m4 4 8 8M12 4l-8 8",
  check: "m3 8.5 3.2 3L13 4.5",
  warn: "M8 2 1.5 13.5h13zM8 6.5v3M8 11.6v.01",
  down: "M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11",
  chevron: "m6 3 5 5-5 5",
  play: "M4.5 2.5v11l9-5.5z",
  pause: "M5 3v10M11 3v10",
  zoomIn: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.5 10.5 14 14M5 7h4M7 5v4",
  zoomOut: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.5 10.5 14 14M5 7h4",
  reset: "M2.5 6V2.5M2.5 6H6M2.8 6A5.5 5.5 0 1 1 2.5 9",
  pen: "m2.5 13.5.8-3.2 7.4-7.4 2.4 2.4-7.4 7.4zM9.2 4.4l2.4 2.4",
  list: "M2 4h12M2 8h12M2 12h12",
  box: "m8 1.5 6 3v7l-6 3-6-3v-7zM2 4.5l6 3 6-3M8 7.5v7",
} as const;

export function Icon({ name, filled }: { name: keyof typeof PATHS; filled?: boolean }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true" fill={filled ? "currentColor" : "none"}>
      <path d={PATHS[name]} />
    </svg>
  );
}
