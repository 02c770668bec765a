import type { Results } from "../../api/types";
import { useText } from "../../text";
import { metricName, rises, simplest } from "../runs/words";

/** The figures of the test part, beside what they would be of a forecast that knows nothing. */
export function Figures({ results: { metrics, baselines } }: { results: Results }) {
  const { t, figure, percent } = useText();
  const { name: simple, figures: base } = simplest({ baselines }) ?? {};
  const values = Object.entries(metrics).filter((metric): metric is [string, number] => typeof metric[1] === "number");
  return (
    <dl className="figures">
      {values.map(([name, value]) => {
        const other = base?.[name];
        // Of a share there is no percentage worth telling.
        const change = typeof other === "number" && other !== 0 && !rises(name) ? value / other - 1 : undefined;
        const better = typeof other === "number" && (rises(name) ? value > other : value < other);
        return (
          <div key={name} className="card">
            <dt>{metricName(name, t)}</dt>
            <dd>{figure(value)}</dd>
            {name in t.metricHelp && <dd className="small faint">{t.metricHelp[name as keyof typeof t.metricHelp]}</dd>}
            {typeof other === "number" && (
              <dd className="small faint">
                {t.baseline(t.baselines[simple as keyof typeof t.baselines] ?? simple!, figure(other))}{" "}
                {change !== undefined && Math.abs(change) >= 0.001 && <b className={better ? "better" : "worse"}>{better ? t.lower(percent(-change)) : t.higher(percent(change))}</b>}
              </dd>
            )}
          </div>
        );
      })}
    </dl>
  );
}
