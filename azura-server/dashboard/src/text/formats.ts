const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

const DAY = 86400;

/** A number as it is, and can be typed. */
export const written = (value: number, decimal: string) => String(value).replace(".", decimal);

const made = new Map<string, ReturnType<typeof make>>();
/** How a language says numbers and times. Making formats is slow, so they are kept. */
export function formats(language: string) {
  let found = made.get(language);
  // The language as it is spoken where one is: dates differ between Britain and America.
  if (!found) made.set(language, (found = make(navigator.languages.find(tag => tag.startsWith(language)) ?? language)));
  return found;
}

function make(language: string) {
  const plain = new Intl.NumberFormat(language, { maximumSignificantDigits: 4 });
  const tiny = new Intl.NumberFormat(language, { maximumSignificantDigits: 3, notation: "scientific" });
  const exact = new Intl.NumberFormat(language, { minimumSignificantDigits: 4, maximumSignificantDigits: 4 });
  const whole = new Intl.NumberFormat(language);
  const share = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 });
  const ago = new Intl.RelativeTimeFormat(language, { style: "short", numeric: "auto" });
  const day = new Intl.DateTimeFormat(language, { month: "short", day: "numeric" });
  const full = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
  const wholeDay = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
  const month = new Intl.DateTimeFormat(language, { month: "short", year: "numeric" });
  const minute = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
  // The narrow form of a Turkish minute is that of a day in English.
  const unitDisplay = language.startsWith("tr") ? "short" : "narrow";
  const unit = (unit: string) => new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay, maximumFractionDigits: 0 });
  const [h, m, s] = [unit("hour"), unit("minute"), unit("second")];

  return {
    number: (value: unknown) => {
      if (typeof value !== "number" || !Number.isFinite(value)) return "–";
      const size = Math.abs(value);
      if (Number.isInteger(value) && size < 1e9) return whole.format(value);
      if (size >= 1e4 && size < 1e9) return whole.format(Math.round(value));
      return value !== 0 && (size < 1e-3 || size >= 1e9) ? tiny.format(value) : plain.format(value);
    },
    /** A figure of a column of such: always to four digits. */
    figure: (value: unknown) => {
      if (typeof value !== "number" || !Number.isFinite(value)) return "–";
      const size = Math.abs(value);
      return value !== 0 && (size < 1e-3 || size >= 1e9) ? tiny.format(value) : size >= 1e4 ? whole.format(Math.round(value)) : exact.format(value);
    },
    percent: (value: number) => share.format(value),
    age: (iso: string, now = Date.now()) => {
      const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
      if (seconds >= 7 * 86400) return day.format(Date.parse(iso));
      const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? UNITS[3];
      return ago.format(-Math.floor(seconds / size), unit);
    },
    /** A moment; what falls on midnight is a day. */
    moment: (at: string | number) => {
      const date = new Date(at);
      return (date.getHours() || date.getMinutes() || date.getSeconds() ? full : wholeDay).format(date);
    },
    /** A moment on an axis whose ticks are so many seconds apart. */
    date: (at: number, step: number) => (step >= 300 * DAY ? String(new Date(at).getFullYear()) : (step >= 27 * DAY ? month : step >= DAY ? day : minute).format(at)),
    clock: (at: string | number) => clock.format(new Date(at)),
    duration: (seconds: number) => {
      const all = Math.max(0, Math.round(seconds));
      if (all < 60) return s.format(all);
      if (all < 3600) return `${m.format(Math.floor(all / 60))} ${s.format(all % 60)}`;
      return `${h.format(Math.floor(all / 3600))} ${m.format(Math.floor((all % 3600) / 60))}`;
    },
    size: (bytes: number) => {
      const step = bytes < 1000 ? 0 : bytes < 1e6 ? 1 : 2;
      return `${plain.format(Number((bytes / 1000 ** step).toPrecision(3)))} ${["B", "kB", "MB"][step]}`;
    },
  };
}
