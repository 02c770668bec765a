// The first visit: one press trains the example.

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { pipelines, submit } from "../../api/queries";
import { useText } from "../../text";
import { useAct, useActions } from "./actions";

export function Welcome() {
  const { t } = useText();
  const { data } = useQuery(pipelines);
  const act = useAct();
  const { open } = useActions();
  const [busy, setBusy] = useState(false);
  const start = async () => {
    setBusy(true);
    open(await act(submit({ pipeline_name: data![0].id })));
    setBusy(false);
  };
  return (
    <section className="card welcome">
      <svg viewBox="0 0 320 96" aria-hidden="true" fill="none">
        <path className="b" d="M4 14c40 4 50 52 96 58s70-10 110-4 70 2 106 6" />
        <path className="a" d="M4 8c36 8 44 62 92 72s80 2 116 4 70 2 104 2" />
      </svg>
      <h2>{t.welcome.title}</h2>
      <p>{t.welcome.text}</p>
      <div className="row">
        <button className="primary" disabled={!data?.length || busy} onClick={() => void start()}>
          {t.welcome.start}
        </button>
        <Link className="button" href="/new">
          {t.welcome.own}
        </Link>
      </div>
    </section>
  );
}
