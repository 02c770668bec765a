// A menu behind a button, in the browser's top layer so that no table cuts it off.

import { useId, useRef, type KeyboardEvent, type ReactNode } from "react";
import { Icon } from "./icon";

export interface Item {
  label: string;
  act: () => void;
  danger?: boolean;
}

export function Menu({ label, items, children }: { label: string; items: Item[]; children?: ReactNode }) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const close = () => {
    list.current?.hidePopover();
    button.current?.focus();
  };

  function open() {
    const menu = list.current!;
    if (menu.matches(":popover-open")) return close();
    menu.showPopover();
    const at = button.current!.getBoundingClientRect();
    const fits = at.bottom + menu.offsetHeight + 8 < innerHeight;
    menu.style.left = `${Math.max(8, Math.min(at.right - menu.offsetWidth, innerWidth - menu.offsetWidth - 8))}px`;
    menu.style.top = `${Math.max(8, fits ? at.bottom + 4 : at.top - menu.offsetHeight - 4)}px`;
    menu.querySelector<HTMLElement>("button")?.focus();
  }

  function move(event: KeyboardEvent) {
    const all = [...list.current!.querySelectorAll<HTMLElement>("button")];
    const now = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Tab") list.current!.hidePopover();
    if (to === undefined) return;
    event.preventDefault();
    all.at(to % all.length)?.focus();
  }

  return (
    <>
      <button ref={button} className={children ? "" : "plain"} aria-label={children ? undefined : label} title={children ? undefined : label} aria-haspopup="menu" aria-controls={id} onClick={open}>
        {children ?? <Icon name="more" />}
      </button>
      <div ref={list} id={id} className="menu" role="menu" aria-label={label} popover="auto" onKeyDown={move}>
        {items.map(({ label, act, danger }) => (
          <button
            key={label}
            role="menuitem"
            tabIndex={-1}
            className={danger ? "danger" : ""}
            onClick={() => {
              close();
              act();
            }}
          >
            {label}
          </button>
        ))}
      </div>
    </>
  );
}
