// A page that breaks says so, and takes nothing else with it.

import { Component, type ReactNode } from "react";
import { useText } from "../text";
import { Icon } from "./icon";

export class Boundary extends Component<{ children: ReactNode }, { error?: unknown }> {
  state: { error?: unknown } = {};

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  render() {
    return this.state.error === undefined ? this.props.children : <Broken error={this.state.error} />;
  }
}

function Broken({ error }: { error: unknown }) {
  const { t } = useText();
  return (
    <section className="card failed" role="alert">
      <h2>
        <Icon name="warn" /> {t.broke}
      </h2>
      <p>{t.brokeText}</p>
      <pre>{String(error)}</pre>
      <button onClick={() => location.reload()}>{t.reload}</button>
    </section>
  );
}
