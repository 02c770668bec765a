// A menu behind a button, in the browser's top layer so that no table cuts it off. Its items are there only while it is open.

import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { Icon } from "./icon";

export interface Item {
  label: string;
  act: () => void;
  danger?: boolean;
}

interface Props {
  label: string;
  items: () => Item[];
  children?: ReactNode;
}

export function Menu({ label, items, children }: Props) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);

  useEffect(() => {
    const menu = list.current;
    if (!menu) return;
    menu.showPopover();
    const at = button.current!.getBoundingClientRect();
    const fits = at.bottom + menu.offsetHeight + 8 < innerHeight;
    menu.style.left = `${Math.max(8, Math.min(at.right - menu.offsetWidth, innerWidth - menu.offsetWidth - 8))}px`;
    menu.style.top = `${Math.max(8, fits ? at.bottom + 4 : at.top - menu.offsetHeight - 4)}px`;
    menu.querySelector<HTMLElement>("button")?.focus();
  }, [open]);

  const close = () => {
    list.current?.hidePopover();
    button.current?.focus();
  };

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
      <button
        ref={button}
        className={children ? "" : "plain"}
        aria-label={children ? undefined : label}
        title={children ? undefined : label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => (open ? close() : setOpen(true))}
      >
        {children ?? <Icon name="more" />}
      </button>
      {open && (
        <div ref={list} id={id} className="menu" role="menu" aria-label={label} popover="auto" onKeyDown={move} onToggle={event => event.newState === "closed" && setOpen(false)}>
          {items().map(({ label, act, danger }) => (
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
      )}
    </>
  );
}
