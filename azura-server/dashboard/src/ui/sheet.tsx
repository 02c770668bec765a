// A table of figures: a name for each row and each column. Where it is wider than its place, it scrolls.

import type { ReactNode } from "react";

export interface SheetRow {
  key: string;
  name: ReactNode;
  cells: { value: ReactNode; className?: string }[];
}

export function Sheet({ label, corner, heads, rows, mono }: { label: string; corner: string; heads: { key: string; name: ReactNode }[]; rows: SheetRow[]; mono?: boolean }) {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={label}>
      <table className="plain-table wide">
        <thead>
          <tr>
            <th scope="col">{corner}</th>
            {heads.map(({ key, name }) => (
              <th key={key} scope="col" className="num">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, name, cells }) => (
            <tr key={key}>
              <th scope="row" className={mono ? "mono small" : undefined}>
                {name}
              </th>
              {cells.map(({ value, className }, i) => (
                <td key={heads[i].key} className={className ? `num ${className}` : "num"}>
                  {value}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
