/** Numbers, times and sizes as the reader's language writes them. */
import type { Locale } from "./index";

const TAGS: Record<Locale, string> = { en: "en", ja: "ja-JP" };
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

export interface Format {
  number(value: number, options?: Intl.NumberFormatOptions): string;
  /** 12.3K, 1.2万. */
  compact(value: number): string;
  percent(share: number, digits?: number): string;
  /** Whole hundredths of a dollar, more digits where the amount is small. */
  money(usd: number): string;
  /** Unix milliseconds. */
  date(time: number): string;
  dateTime(time: number): string;
  /** With seconds and milliseconds: of one call. */
  exact(time: number): string;
  time(time: number): string;
  /** "3 minutes ago". */
  ago(time: number, now?: number): string;
  /** Milliseconds: "85 ms", "1.24 s", "2 min 5 s". */
  duration(milliseconds: number): string;
  bytes(count: number): string;
}

export function formatFor(locale: Locale): Format {
  const tag = TAGS[locale];
  const plain = new Intl.NumberFormat(tag);
  const compact = new Intl.NumberFormat(tag, { notation: "compact", maximumFractionDigits: 1 });
  const date = new Intl.DateTimeFormat(tag, { dateStyle: "medium" });
  const dateTime = new Intl.DateTimeFormat(tag, { dateStyle: "medium", timeStyle: "short" });
  const time = new Intl.DateTimeFormat(tag, { timeStyle: "short" });
  const exact = new Intl.DateTimeFormat(tag, {
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
    hourCycle: "h23",
  });
  const relative = new Intl.RelativeTimeFormat(tag, { numeric: "auto" });
  const unit = (value: number, name: string, digits = 0, unitDisplay: "short" | "long" = "short") =>
    new Intl.NumberFormat(tag, { style: "unit", unit: name, unitDisplay, maximumFractionDigits: digits }).format(value);
  return {
    number: (value, options) => (options ? new Intl.NumberFormat(tag, options).format(value) : plain.format(value)),
    compact: (value) => compact.format(value),
    percent: (share, digits = 0) =>
      new Intl.NumberFormat(tag, { style: "percent", maximumFractionDigits: digits }).format(share),
    money: (usd) =>
      new Intl.NumberFormat(tag, {
        style: "currency",
        currency: "USD",
        minimumFractionDigits: 2,
        maximumFractionDigits: Math.abs(usd) >= 1 || usd === 0 ? 2 : 6,
      }).format(usd),
    date: (value) => date.format(value),
    dateTime: (value) => dateTime.format(value),
    exact: (value) => exact.format(value),
    time: (value) => time.format(value),
    ago(value, now = Date.now()) {
      const seconds = (value - now) / 1000;
      const [name, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
      return relative.format(Math.trunc(seconds / size), name);
    },
    duration(ms) {
      if (ms < 1000) return unit(ms, "millisecond", ms < 10 ? 1 : 0);
      if (ms < 60_000) return unit(ms / 1000, "second", 2);
      const whole = Math.round(ms / 1000);
      return `${unit(Math.floor(whole / 60), "minute")} ${unit(whole % 60, "second")}`;
    },
    bytes(count) {
      const names = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;
      const power = count < 1 ? 0 : Math.min(names.length - 1, Math.floor(Math.log(count) / Math.log(1000)));
      // The short form of "bytes" is "byte".
      return unit(count / 1000 ** power, names[power] ?? "byte", power > 1 ? 1 : 0, power ? "short" : "long");
    },
  };
}
