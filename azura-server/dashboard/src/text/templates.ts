// Texts of the server in another language, by a catalogue of whole texts and of templates: `{}` are an English template's holes, `{0}`, `{1}`, … the same
// ones in the translation. What is in a hole is translated in its turn, but in `{0!}`, which is a name; what is in back quotes stays as it is, but in
// `{0,}`, which is a value. What the catalogue lacks stays as the server says it.

export type Catalogue = Readonly<Record<string, string>>;

/** A number as the server writes it, perhaps of percent, or of thousands. */
const NUMERAL = /^([+−-]?)(\d+)(?:\.(\d+))?((?:e[+−-]?\d+)?[kMB]?)( %)?$/;
/** What is in back quotes, which a sign stands for: the last ones that are private. */
const QUOTED = /`[^`]*`/g;
const FIRST = 0xf000;
/** Behind one whose number is to be told. */
const VALUE = "\uf8ff";
const SIGN = /([\uf000-\uf8fe])(\uf8ff?)/g;
const PRIVATE = /[\uf000-\uf8ff]/;
const HOLE = /\{(\d)([!,]?)\}/g;
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
const clauses = (text: string) => text.split("; ");

function numeral(text: string) {
  const [found, sign, whole, fraction, rest, percent] = NUMERAL.exec(text) ?? [];
  return found && `${sign}${percent ? "%" : ""}${whole}${fraction ? `,${fraction}` : ""}${rest}`;
}

/** What is in a template's holes, each as short as can be: with many texts between them, a regular expression would take for ever to say that it does not fit. */
function fit(text: string, literals: string[]) {
  const [first, last] = [literals[0], literals.at(-1)!];
  if (!text.startsWith(first) || !text.endsWith(last)) return undefined;
  const [holes, end]: [string[], number] = [[], text.length - last.length];
  let at = first.length;
  for (const literal of literals.slice(1, -1)) {
    const next = text.indexOf(literal, at + 1);
    if (next < 0) return undefined;
    holes.push(text.slice(at, next));
    at = next + literal.length;
  }
  return at < end ? [...holes, text.slice(at, end)] : undefined;
}

export const sentences = (text: string) => text.split(SENTENCES);

export function translator(catalogue: Catalogue) {
  const whole = new Map(Object.entries(catalogue));
  const templates = [...whole]
    .filter(([english]) => english.includes("{}"))
    .map(([english, told]) => {
      const literals = english.split("{}");
      const [first, size] = [literals[0], literals.join("").length];
      // What follows a colon is a text by itself.
      const head = literals.length === 2 && first.endsWith(": ") && !literals[1];
      return { told, literals, size, head, weak: !first && letters(english) < STRONG };
    })
    .sort((a, b) => Number(b.head) - Number(a.head) || b.size - a.size);

  const known = (text: string) => whole.get(text) ?? numeral(text);

  /** By a head, or the template with the most text of its own. `within` a clause, if others follow. */
  function filled(text: string, within: boolean) {
    for (const { told, literals, head, weak } of templates) {
      const holes = fit(text, literals);
      if (!holes || (within && !head && holes.some(hole => clauses(hole).length > 1 && !known(hole)))) continue;
      const inner = holes.map(translate);
      if (!weak || holes.some((hole, i) => inner[i] !== hole || known(hole))) return told.replace(HOLE, (_, i: string, how: string) => (how === "!" ? holes[Number(i)] : how ? holes[Number(i)] + VALUE : inner[Number(i)]));
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
      told.set(text, (found = anew(text)));
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

  return (text: string): string => {
    if (text.length > LONGEST || PRIVATE.test(text)) return text;
    const quoted: string[] = [];
    const signed = text.replace(QUOTED, found => String.fromCharCode(FIRST + quoted.push(found) - 1));
    const restored = (_: string, sign: string, value: string) => {
      const found = quoted[sign.charCodeAt(0) - FIRST];
      return value ? `\`${numeral(found.slice(1, -1)) ?? found.slice(1, -1)}\`` : found;
    };
    return whole.get(text) ?? translate(signed).replace(SIGN, restored).replaceAll(VALUE, "");
  };
}
