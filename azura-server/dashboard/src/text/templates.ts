// Texts of the server in another language, by a catalogue of whole texts and of templates: `{}` are an English template's holes, `{0}`, `{1}`, … the same
// ones in the translation. What is in a hole is translated in its turn; what the catalogue lacks stays as the server says it.

export type Catalogue = Readonly<Record<string, string>>;

/** A number as the server writes it, perhaps in back quotes, of percent, or of thousands. */
const NUMERAL = /^(`?)([+−-]?)(\d+)(?:\.(\d+))?((?:e[+−-]?\d+)?[kMB]?)( %)?(`?)$/;
/** Where a sentence ends and another begins; not behind an initial. */
const SENTENCES = /(?<=\S[^\s.][.!?](?:\*\*)?) (?=[\p{Lu}\p{Co}`*])/u;
/** Between problems, each of which may begin with its place, a JSON pointer. */
const PROBLEMS = /; (?=\/\S*: |and \d+ more$)/;
const PLACED = /^(\/\S*: )(.+)$/;
/** Letters that a template has that begins with a hole, if nothing in its holes need be known. */
const STRONG = 7;

/** No message is as long as this. */
const LONGEST = 3000;
/** Translations that are remembered. */
const MOST = 5000;

const letters = (text: string) => text.replace(/[^\p{L}]/gu, "").length;
const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const clauses = (text: string) => text.split("; ");

function numeral(text: string) {
  const [found, quote, sign, whole, fraction, rest, percent] = NUMERAL.exec(text) ?? [];
  return found && `${quote}${sign}${percent ? "%" : ""}${whole}${fraction ? `,${fraction}` : ""}${rest}${quote}`;
}

export const sentences = (text: string) => text.split(SENTENCES);

export function translator(catalogue: Catalogue) {
  const whole = new Map(Object.entries(catalogue));
  const templates = [...whole]
    .filter(([english]) => english.includes("{}"))
    .map(([english, told]) => {
      const literals = english.split("{}");
      const [first, last, size] = [literals[0], literals.at(-1)!, literals.join("").length];
      // What follows a colon is a text by itself.
      const head = literals.length === 2 && first.endsWith(": ") && !last;
      return { told, pattern: new RegExp(`^${literals.map(escaped).join("(.+?)")}$`), first, last, size, head, weak: !first && letters(english) < STRONG };
    })
    .sort((a, b) => Number(b.head) - Number(a.head) || b.size - a.size);

  const known = (text: string) => whole.get(text) ?? numeral(text);

  /** By a head, or the template with the most text of its own. `within` a clause, if others follow. */
  function filled(text: string, within: boolean) {
    for (const { told, pattern, first, last, head, weak } of templates) {
      const holes = text.startsWith(first) && text.endsWith(last) ? pattern.exec(text)?.slice(1) : undefined;
      if (!holes || (within && !head && holes.some(hole => clauses(hole).length > 1 && !known(hole)))) continue;
      const inner = holes.map(translate);
      if (!weak || holes.some((hole, i) => inner[i] !== hole || known(hole))) return told.replace(/\{(\d)\}/g, (_, i: string) => inner[Number(i)]);
    }
    return undefined;
  }

  /** Part by part, if that says more. */
  function each(parts: string[], between: string) {
    const all = parts.length > 1 ? parts.map(translate) : parts;
    return all.some((part, i) => part !== parts[i]) ? all.join(between) : undefined;
  }

  const told = new Map<string, string>();
  /** Texts come again and again, with every second of a page and within each other. */
  function translate(text: string): string {
    let found = told.get(text);
    if (found === undefined) {
      if (told.size >= MOST) told.clear();
      told.set(text, (found = text.length > LONGEST ? text : anew(text)));
    }
    return found;
  }

  function anew(text: string): string {
    const lines = text.split("\n");
    if (lines.length > 1) return lines.map(translate).join("\n");
    const plain = text.trim();
    if (plain !== text) return plain && text.replace(plain, () => translate(plain));
    const [, place, problem] = PLACED.exec(text) ?? [];
    return (
      known(text) ??
      each(sentences(text), " ") ??
      each(text.split(PROBLEMS), "; ") ??
      (place ? place + translate(problem) : undefined) ??
      filled(text, true) ??
      each(clauses(text), "; ") ??
      filled(text, false) ??
      text
    );
  }
  return translate;
}
