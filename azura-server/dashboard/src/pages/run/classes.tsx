// How a classifier does: which class it takes for which, and figures for each.

import type { ClassReport, Results } from "../../api/types";
import { useText } from "../../text";
import { Sheet } from "../../ui/sheet";

const COLUMNS = ["precision", "recall", "f1-score", "support"] as const;

export function Classes({ results: { confusion_matrix: matrix = [], class_names: names = [], metrics } }: { results: Results }) {
  const { t, number, figure, percent } = useText();
  const report = (metrics.classification_report ?? {}) as Record<string, ClassReport>;
  const rows = Object.entries(report)
    .filter(([, figures]) => typeof figures === "object" && figures)
    .map(([name, figures]) => ({ key: name, name, cells: COLUMNS.map(column => ({ value: column === "support" ? number(figures.support) : figure(figures[column]) })) }));
  return (
    <div className="pair">
      <figure className="card">
        <figcaption>
          <h2>{t.confusion}</h2>
        </figcaption>
        <div className="scroll" tabIndex={0} role="region" aria-label={t.confusion}>
          <table className="confusion">
            <thead>
              <tr>
                <th scope="col">
                  <span className="small faint">
                    {t.truth} ↓ {t.predicted} →
                  </span>
                </th>
                {names.map(name => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {matrix.map((row, i) => {
                const all = row.reduce((sum, count) => sum + count, 0);
                return (
                  <tr key={names[i]}>
                    <th scope="row">{names[i]}</th>
                    {row.map((count, j) => {
                      const share = all ? count / all : 0;
                      return (
                        <td
                          key={names[j]}
                          title={t.takenFor(names[i], names[j], number(count), percent(share))}
                          style={{ background: count ? `color-mix(in srgb, var(${i === j ? "--c1" : "--c2"}) ${Math.round(8 + 37 * share)}%, transparent)` : undefined }}
                        >
                          {count ? number(count) : <span className="faint">·</span>}
                        </td>
                      );
                    })}
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      </figure>
      <section className="card">
        <h2>{t.byClass}</h2>
        <Sheet label={t.byClass} corner={t.class} heads={COLUMNS.map(name => ({ key: name, name: t.metrics[name] }))} rows={rows} />
      </section>
    </div>
  );
}
