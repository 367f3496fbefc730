/** The icons: strokes on a 16-pixel grid, drawn here so that nothing is fetched. They carry no meaning of their own. */
const PATHS = {
  endpoints: "M2.5 4.5h11v3h-11zM2.5 8.5h11v3h-11zM5 6h.01M5 10h.01",
  playground: "M2.5 3.5h11v7h-6l-3 2.5v-2.5h-2zM5.5 7h5",
  calls: "M2.5 4h11M2.5 8h11M2.5 12h7",
  usage: "M3 13V8M6.5 13V4M10 13V9.5M13.5 13V6",
  budgets: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM9.8 6.2C9.4 5.6 8.8 5.4 8 5.4c-1 0-1.8.5-1.8 1.3 0 1.9 3.6.8 3.6 2.6 0 .8-.8 1.3-1.8 1.3-.9 0-1.5-.3-1.9-.9M8 4.4v1M8 10.6v1",
  models: "M8 2.2 13.2 5v6L8 13.8 2.8 11V5zM2.8 5 8 7.9 13.2 5M8 7.9v5.9",
  tokens: "M10.5 2.5a3 3 0 1 1-2.6 4.5L3 12v1.5h2V12h1.5v-1.5H8L9 9.4M11.2 5.1h.01",
  secrets: "M3.5 7h9v6.5h-9zM5.5 7V5a2.5 2.5 0 0 1 5 0v2M8 9.5v1.5",
  people: "M6 7.5a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4zM2 13c0-2.2 1.7-3.7 4-3.7s4 1.5 4 3.7M11 7.3a1.9 1.9 0 1 0-.8-3.6M11.5 9.5c1.6.3 2.6 1.6 2.6 3.5",
  audit: "M4 2.5h6l2.5 2.5v8.5H4zM9.5 2.5V5.5h3M6 8h4.5M6 10.5h4.5",
  status: "M1.8 8.5h3l1.7-5 3 9 1.7-4h3",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.4 10.4 13.5 13.5",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  close: "M4 4l8 8M12 4l-8 8",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  check: "M3 8.5l3.2 3.2L13 4.8",
  copy: "M5.5 5.5h7.5v8H5.5zM10.5 5.5V2.5H3v8h2.5",
  chevron: "M4.5 6.5 8 10l3.5-3.5",
  right: "M6.5 4.5 10 8l-3.5 3.5",
  left: "M9.5 4.5 6 8l3.5 3.5",
  sun: "M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6zM8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M12.6 3.4l-1.1 1.1M4.5 11.5l-1.1 1.1",
  moon: "M13 9.8A5.6 5.6 0 0 1 6.2 3a5.6 5.6 0 1 0 6.8 6.8z",
  language: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM2.2 8h11.6M8 2.2c-3.2 3.5-3.2 8.1 0 11.6M8 2.2c3.2 3.5 3.2 8.1 0 11.6",
  user: "M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8zM2.8 13.6c0-2.6 2.2-4 5.2-4s5.2 1.4 5.2 4",
  warn: "M8 2.5 14.3 13.3H1.7zM8 6.5v3M8 11.4h.01",
  info: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM8 7.3v3.6M8 5.2h.01",
  edit: "M3 13l.7-3L10.6 3.1l2.3 2.3L6 12.3zM9.3 4.4l2.3 2.3",
  trash: "M3 4.5h10M6 4.5V2.8h4v1.7M4.2 4.5l.6 9h6.4l.6-9M6.7 7v4M9.3 7v4",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  external: "M9 2.8h4.2V7M13 3 7.5 8.5M11 9v4.2H2.8V5H7",
  refresh: "M13 3v3.3H9.7M12.8 6.2A5.3 5.3 0 1 0 13.3 9",
  play: "M5 3.5v9l7.5-4.5z",
  stop: "M4.5 4.5h7v7h-7z",
  send: "M2.8 8 13.3 2.8 10.5 13.3 7.8 9zM7.8 9l5.5-6.2",
  download: "M8 2.5v7.5M4.8 7 8 10.2 11.2 7M3 13.3h10",
  upload: "M8 10.2V2.7M4.8 5.8 8 2.6 11.2 5.8M3 13.3h10",
  filter: "M2.5 3.5h11L9.3 8.6v4.2l-2.6-1.3V8.6z",
  history: "M2.7 8A5.3 5.3 0 1 0 4.3 4.2L2.7 5.7M2.7 2.7v3h3M8 5v3.3l2.2 1.3",
  shield: "M8 2l5 1.8v3.9c0 3-2 5.3-5 6.3-3-1-5-3.3-5-6.3V3.8z",
  eye: "M1.8 8S4 3.8 8 3.8 14.2 8 14.2 8 12 12.2 8 12.2 1.8 8 1.8 8zM8 9.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6z",
  branch: "M4.5 5.5v5M4.5 5.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM4.5 13.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM11.5 5.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM11.5 5.5c0 3-3 3.5-7 4.5",
  code: "M5.2 4.5 1.8 8l3.4 3.5M10.8 4.5 14.2 8l-3.4 3.5",
  sliders: "M2.5 4.8h5.2M11 4.8h2.5M2.5 11.2h2.2M8 11.2h5.5M9.3 3.2v3.2M6.4 9.6v3.2",
  image: "M2.5 3h11v10h-11zM2.5 10.5l3-3 3 3 2-2 3 3M10.5 6h.01",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg aria-hidden="true" width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.4" strokeLinecap="round" strokeLinejoin="round">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The bell glass. */
export function Logo() {
  return (
    <svg aria-hidden="true" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round">
      <path d="M4 17a8 8 0 0 1 16 0zM3 19.8h18M12 9V6.5" />
      <circle cx="12" cy="5" r="1.3" fill="currentColor" />
    </svg>
  );
}
