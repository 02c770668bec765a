import { useState } from "react";
import { useText } from "../text";

const TOLD = 2000;

/** Puts a text on the clipboard, and says for a moment that it did. */
export function Copy({ text }: { text: string }) {
  const { t } = useText();
  const [copied, setCopied] = useState(false);
  return (
    <button
      type="button"
      onClick={() =>
        void navigator.clipboard?.writeText(text).then(() => {
          setCopied(true);
          setTimeout(setCopied, TOLD, false);
        })
      }
    >
      {copied ? t.copied : t.copy}
    </button>
  );
}
