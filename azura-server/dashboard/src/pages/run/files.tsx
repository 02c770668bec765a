import { useQuery } from "@tanstack/react-query";
import { link } from "../../api/client";
import { files } from "../../api/queries";
import type { Run } from "../../api/types";
import { useText } from "../../text";
import { Empty, Failed, Loading } from "../../ui/notes";

export function Files({ run }: { run: Run }) {
  const { t, size } = useText();
  const { data, error, refetch } = useQuery(files(run.experiment_id));
  if (error) return <Failed error={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  if (!data.length) return <Empty title={t.noFiles} />;
  return (
    <div className="card flush scroll">
      <table className="plain-table wide">
        <thead>
          <tr>
            <th scope="col">{t.file}</th>
            <th scope="col" className="num">
              {t.size}
            </th>
          </tr>
        </thead>
        <tbody>
          {data.map(file => (
            <tr key={file.name}>
              <td>
                <a className="mono" href={link(run.experiment_id, `files/${file.name}`)} download={file.name.split("/").at(-1)}>
                  {file.name}
                </a>
              </td>
              <td className="num">{size(file.size)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
