import { useText } from "../../text";
import { Copy } from "../../ui/copy";

/** How one's own file is trained: a server reads none, since whoever reaches it could have it read any. */
export function OwnFile({ pipeline, table }: { pipeline: string; table: boolean }) {
  const { t } = useText();
  const command = `echo '{"pipeline_name": "${pipeline}"}' | azura train - --set data_sourcing.file=FILE${table ? " --set feature_engineering.target_col=COLUMN" : ""}`;
  return (
    <div className="own small">
      <p className="faint">
        {t.form.ownFile} {table && t.form.ownTable}
      </p>
      <div className="row wrap">
        <code>{command}</code>
        <Copy text={command} />
      </div>
    </div>
  );
}
