import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link } from "wouter";
import { pipelines } from "../../api/queries";
import { useText } from "../../text";
import { Failed, Loading } from "../../ui/notes";

/** What there is to train. */
export function Pipelines() {
  const { t, said } = useText();
  const { data, error, refetch } = useQuery(pipelines);
  useEffect(() => {
    document.title = `${t.newRun} · AzuraForge`;
  }, [t]);
  if (error) return <Failed error={error} retry={() => void refetch()} />;
  return (
    <>
      <div className="heading">
        <h1>{t.newRun}</h1>
      </div>
      <p className="faint lead">{t.form.choose}</p>
      {!data ? (
        <Loading />
      ) : (
        <ul className="cards">
          {data.map(({ id, name, description }) => (
            <li key={id} className="card">
              <h2>
                <Link href={`/new/${id}`} className="cover">
                  {said(name)}
                </Link>
              </h2>
              <p className="small faint">{said(description)}</p>
              <span className="mono small faint">{id}</span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
