import { useEffect, useRef } from "react";
import { Link, Redirect, Route, Switch, useLocation } from "wouter";
import { useConnection } from "./api/live";
import { Compare } from "./pages/compare/page";
import { Models } from "./pages/models/page";
import { NewRun } from "./pages/new/page";
import { Pipelines } from "./pages/new/pipelines";
import { RunPage } from "./pages/run/page";
import { Runs } from "./pages/runs/page";
import { speak, useText } from "./text";
import { Ask } from "./ui/ask";
import { Boundary } from "./ui/boundary";
import { Icon } from "./ui/icon";
import { Empty } from "./ui/notes";
import { choose, useTheme } from "./ui/theme";
import { hush, Toasts } from "./ui/toast";

export function App() {
  const { t } = useText();
  const [path] = useLocation();
  const main = useRef<HTMLElement>(null);
  const before = useRef(path);
  // Whoever goes to another page by keyboard goes on at its beginning.
  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    hush();
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [path]);
  return (
    <>
      <a className="skip button" href="#main">
        {t.skip}
      </a>
      <Header />
      <Lost />
      <main id="main" ref={main} tabIndex={-1}>
        <Boundary key={path}>
          <Switch>
            <Route path="/" component={Runs} />
            <Route path="/runs" component={Runs} />
            <Route path="/runs/:id">{({ id }) => <RunPage key={id} id={plain(id)} />}</Route>
            <Route path="/new" component={Pipelines} />
            <Route path="/new/:pipeline">{({ pipeline }) => <NewRun key={pipeline} id={plain(pipeline)} />}</Route>
            <Route path="/compare" component={Compare} />
            <Route path="/models" component={Models} />
            <Route path="/index.html">
              <Redirect to="/" />
            </Route>
            <Route>
              <Empty title={t.nothingHere}>
                <Link href="/runs">{t.runs}</Link>
              </Empty>
            </Route>
          </Switch>
        </Boundary>
      </main>
      <Toasts />
      <Ask />
    </>
  );
}

const PAGES = [
  { href: "/runs", icon: "list", name: "runs" },
  { href: "/new", icon: "plus", name: "newRun" },
  { href: "/models", icon: "box", name: "models" },
] as const;

function Header() {
  const { t, language } = useText();
  const theme = useTheme();
  const [path] = useLocation();
  const here = (href: string) => path.startsWith(href) || (href === "/runs" && (path === "/" || path === "/compare"));
  return (
    <header className="top">
      <Link href="/runs" className="brand" aria-label="AzuraForge">
        <img src="/icon.svg" alt="" width="26" height="26" />
        <b>AzuraForge</b>
      </Link>
      <nav aria-label={t.pages}>
        {PAGES.map(({ href, icon, name }) => (
          <Link key={href} href={href} aria-current={here(href) ? "page" : undefined}>
            <Icon name={icon} />
            {t[name]}
          </Link>
        ))}
      </nav>
      <div className="end row">
        <Connection />
        <button className="plain" lang={language === "en" ? "tr" : "en"} onClick={() => void speak(language === "en" ? "tr" : "en")}>
          {language === "en" ? "Türkçe" : "English"}
        </button>
        <button className="plain" aria-label={theme === "dark" ? t.light : t.dark} title={theme === "dark" ? t.light : t.dark} onClick={() => choose(theme === "dark" ? "light" : "dark")}>
          <Icon name={theme === "dark" ? "sun" : "moon"} />
        </button>
      </div>
    </header>
  );
}

function Connection() {
  const { t } = useText();
  const { state } = useConnection();
  return (
    <span className={`connection ${state}`} role="status" title={t.link[state]}>
      <span className="word">{t.link[state]}</span>
    </span>
  );
}

function Lost() {
  const { t, clock } = useText();
  const { state, since } = useConnection();
  useEffect(() => {
    if (state === "live") hush();
  }, [state]);
  return state === "lost" ? (
    <div className="banner" role="alert">
      <Icon name="warn" /> {t.lostSince(clock(since))}
    </div>
  ) : null;
}

/** What an address says. One that cannot be read means what it is. */
function plain(part: string) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
