// A paragraph of a report in another language: it is translated as one text, in which signs stand for what is no text.

import { Fragment, type ReactNode } from "react";

export type Translate = (text: string) => string;

/** In the private use area, before the signs that a translation uses itself. */
const FIRST = 0xe000;
const MOST = 0x1000;
const SIGNS = /([\ue000-\uefff])/;
/** What a text of its own cannot have, if it is to be told from ours. */
const OURS = /\*\*|[\ue000-\uf8ff]/;
const BLOCK = /^(p|[uo]l|table|pre|blockquote|figure|h\d)$/;

/** What is in the node, translated; nothing if it holds paragraphs of its own, or comes out of it damaged. */
export function phrase(node: Element, translate: Translate, shown: (node: Node) => ReactNode): ReactNode[] | undefined {
  if ([...node.children].some(child => BLOCK.test(child.localName))) return undefined;
  if (OURS.test(node.textContent ?? "")) return undefined;
  const kept: Node[] = [];
  const written = (node: Node): string => {
    if (node instanceof Text) return node.data.replaceAll("\n", " ");
    if (node instanceof Element && node.localName === "strong") return `**${[...node.childNodes].map(written).join("")}**`;
    return String.fromCodePoint(FIRST + kept.push(node) - 1);
  };
  const told = translate([...node.childNodes].map(written).join(""));
  const signs = told.match(new RegExp(SIGNS, "g")) ?? [];
  const parts = told.split("**");
  if (kept.length > MOST || parts.length % 2 === 0 || [...signs].sort().join("") !== kept.map((_, i) => String.fromCodePoint(FIRST + i)).join("")) return undefined;
  const content = (text: string) => text.split(SIGNS).map((piece, i) => <Fragment key={i}>{SIGNS.test(piece) ? shown(kept[piece.codePointAt(0)! - FIRST]) : piece}</Fragment>);
  return parts.map((part, i) => (i % 2 ? <strong key={i}>{content(part)}</strong> : <Fragment key={i}>{content(part)}</Fragment>));
}
