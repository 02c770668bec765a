// The report that the server rendered and sanitised, as a part of this page.
// It is built anew from a list of elements, so that nothing in it can be anything else; its pictures are the run's own.

import { useQuery } from "@tanstack/react-query";
import { createElement, Fragment, useMemo, type ReactNode } from "react";
import { link } from "../../api/client";
import { report } from "../../api/queries";
import type { Run } from "../../api/types";
import { useText } from "../../text";
import { Failed, Loading } from "../../ui/notes";
import { phrase, type Translate } from "./phrase";
import { Picture } from "./picture";

const KEPT = new Set("h1 h2 h3 h4 h5 h6 p ul ol li strong em del code pre blockquote table thead tbody tr th td hr br figure figcaption sub sup".split(" "));
/** Of these the content is one text, in which another language may have another order. */
const WORDED = new Set("h1 h2 h3 h4 h5 h6 p li th td figcaption".split(" "));
const DROPPED = new Set(["script", "style", "title", "svg", "math", "template", "iframe", "object"]);
/** Those whose words are known. What others write is shown as it is. */
const OURS = new Set(["csv_forecaster", "stock_predictor", "weather_forecaster", "image_classifier", "voice_generator"]);
const IMAGE = /^images\/[\w.-]+$/;

export function Report({ run }: { run: Run }) {
  const text = useText();
  const { t } = text;
  const reported = useMemo(() => (OURS.has(run.pipeline_name) ? text.reported && besides(names(run), text.reported) : undefined), [run, text.reported]);
  const { data, error, refetch } = useQuery(report(run.experiment_id));
  const content = useMemo(() => data && render(data, run.experiment_id, reported), [data, run.experiment_id, reported]);
  if (error) return <Failed error={error} retry={() => void refetch()} />;
  if (!content) return <Loading lines={12} />;
  return (
    <>
      <div className="row end print-hide">
        <button onClick={() => print()}>{t.print}</button>
        <a className="button" href={link(run.experiment_id, "report/html")} target="_blank" rel="noopener">
          {t.alone}
        </a>
      </div>
      <article className="card report">{content}</article>
    </>
  );
}

/** Columns and classes: whatever they are called, those are no words. */
function names({ results }: Run) {
  const { y_label, target_col, class_names = [], feature_importance = [] } = results ?? {};
  return new Set([y_label, target_col, ...class_names, ...feature_importance.map(({ feature }) => feature)]);
}
const besides = (names: ReadonlySet<string | undefined>, translate: Translate) => (text: string) => (names.has(text) ? text : translate(text));

/** The parser applies this page's policy, which complains of each inline style; of these only a column's alignment is of use. */
const unstyled = (html: string) => html.replace(/<style[\s\S]*?<\/style>/g, "").replace(/<[^>]*>/g, tag => tag.replace(/\sstyle=/g, " data-style="));

export function render(html: string, id: string, translate?: Translate): ReactNode {
  const { body } = new DOMParser().parseFromString(unstyled(html), "text/html");
  const children = (node: Node): ReactNode[] => [...node.childNodes].map((child, key) => <Fragment key={key}>{one(child)}</Fragment>);
  const inner = (node: Element): ReactNode[] => (translate && WORDED.has(node.localName) && phrase(node, translate, one)) || children(node);

  function one(node: Node): ReactNode {
    if (node instanceof Text) return node.data;
    if (!(node instanceof Element)) return null;
    const name = node.localName;
    if (name === "img") {
      const source = node.getAttribute("src") ?? "";
      return IMAGE.test(source) && <Picture address={link(id, `report/${source}`)} about={node.getAttribute("alt") ?? ""} translate={translate} />;
    }
    if (name === "a") {
      const to = node.getAttribute("href") ?? "";
      return /^https?:\/\//.test(to) ? <a href={to} target="_blank" rel="noopener noreferrer">{children(node)}</a> : <>{children(node)}</>;
    }
    if (DROPPED.has(name)) return null;
    if (!KEPT.has(name)) return <>{children(node)}</>;
    if (name === "hr" || name === "br") return createElement(name);
    if (name === "table") return <div className="scroll" tabIndex={0}><table>{children(node).filter((_, i) => node.childNodes[i] instanceof Element)}</table></div>;
    // Spaces between rows and cells are no text that React would have there.
    const content = /^(thead|tbody|tr)$/.test(name) ? children(node).filter((_, i) => node.childNodes[i] instanceof Element) : inner(node);
    return createElement(name, node.getAttribute("data-style")?.includes("right") ? { className: "num" } : null, content);
  }
  return children(body);
}
