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
  const { data } = useQuery({ queryKey: ["picture", address], staleTime: Infinity, queryFn: async ({ signal }) => (await request(address, { signal })).text() });
  return <img src={data && `data:image/svg+xml,${encodeURIComponent(worded(data, translate))}`} alt={translate(about)} {...SIZE} />;
}

/** The picture with other words. As an image, it loads and runs nothing. */
export function worded(svg: string, translate: Translate): string {
  const picture = new DOMParser().parseFromString(svg, "image/svg+xml");
  for (const part of picture.querySelectorAll("text, title, desc")) if (!part.children.length && part.textContent) part.textContent = translate(part.textContent);
  return new XMLSerializer().serializeToString(picture);
}
