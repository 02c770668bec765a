// A report's picture: as it is, or with its words in another language.

import { useQuery } from "@tanstack/react-query";
import { request } from "../../api/client";
import type { Translate } from "./phrase";

interface Props {
  address: string;
  about: string;
  translate?: Translate;
}

const SIZE = { width: 880, height: 400 };

export const Picture = ({ address, about, translate }: Props) =>
  translate ? <Translated address={address} about={about} translate={translate} /> : <img src={address} alt={about} {...SIZE} />;

function Translated({ address, about, translate }: Required<Props>) {
  const { data, isError } = useQuery({ queryKey: ["picture", address], staleTime: Infinity, queryFn: async ({ signal }) => (await request(address, { signal })).text() });
  const told = data && `data:image/svg+xml,${encodeURIComponent(worded(data, translate))}`;
  return <img src={isError ? address : told} alt={translate(about)} {...SIZE} />;
}

const ENTITIES: Record<string, string> = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&amp;": "&" };
const escaped = (text: string) => text.replace(/[<>"&]/g, sign => Object.keys(ENTITIES).find(entity => ENTITIES[entity] === sign)!);
const plain = (text: string) => text.replace(/&\w+;/g, entity => ENTITIES[entity] ?? entity);

/** Names of classes and columns are no words, not even `right`; those of a legend stand in the first line. */
const NAME = /^<text (?!.* y="34\.0").* class="plain"( text-anchor="\w+")?>$/;
const GUESS = /^(.+ \()(\d+ %)\)$/;
function other(tag: string, text: string, translate: Translate) {
  const [, name, share] = GUESS.exec(text) ?? [];
  return NAME.test(tag) ? text : name ? `${name}${translate(share)})` : translate(text);
}

/** The picture with other words. It is not parsed, since this page's policy would complain of its style; as an image, it loads and runs nothing. */
export const worded = (svg: string, translate: Translate) =>
  svg.replace(/(<(text|title|desc)\b[^>]*>)([^<]*)(?=<\/\2>)/g, (_, tag: string, __, text: string) => tag + escaped(other(tag, plain(text), translate)));
