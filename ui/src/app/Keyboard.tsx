/** What the keyboard does on every page, and the two things it opens: the command palette and the help. */
import { type ReactNode, useEffect, useMemo, useRef } from "react";
import { useLocation } from "wouter";
import { part } from "~/api/client";
import { useEndpointNames } from "~/api/endpoints";
import { useIsOrdinary } from "~/api/me";
import { type Command, CommandPalette } from "~/components/CommandPalette";
import { Dialog } from "~/components/Dialog";
import { useLanguage, useT } from "~/i18n";
import { PAGES } from "./navigation";
import { MODIFIER } from "./Shell";
import { setTheme } from "./theme";

const GO: Record<string, string> = { e: "/endpoints", p: "/playground", c: "/calls", u: "/usage" };

interface Opened {
  open: "palette" | "keys" | null;
  setOpen(what: "palette" | "keys" | null): void;
}

export function Keyboard({ open, setOpen }: Opened) {
  const [, navigate] = useLocation();
  const waiting = useRef(0);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        return setOpen("palette");
      }
      if (event.metaKey || event.ctrlKey || event.altKey || event.isComposing || isTyping(event.target) || document.querySelector(".modal-overlay")) return;
      const went = Date.now() - waiting.current < 1200 ? GO[event.key] : undefined;
      waiting.current = 0;
      if (went) navigate(went);
      else if (event.key === "g") waiting.current = Date.now();
      else if (event.key === "?") setOpen("keys");
      else if (event.key === "/") {
        event.preventDefault();
        document.querySelector<HTMLElement>("[data-page-search]")?.focus();
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [navigate, setOpen]);
  return (
    <>
      <Palette open={open === "palette"} onClose={() => setOpen(null)} />
      <Shortcuts open={open === "keys"} onClose={() => setOpen(null)} />
    </>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}

function Palette({ open, onClose }: { open: boolean; onClose(): void }) {
  const t = useT("shell");
  const { locale, setLocale } = useLanguage();
  const [, navigate] = useLocation();
  const ordinary = useIsOrdinary();
  const endpoints = useEndpointNames(open);
  const commands = useMemo((): Command[] => {
    const go = (path: string) => () => navigate(path);
    const pages = PAGES.filter((page) => !(page.admin && ordinary)).map((page) => ({ id: page.path, label: t.nav[page.id], kind: t.palette.page, icon: page.id, run: go(page.path) }));
    const named = (endpoints.data ?? []).map((name) => ({ id: `endpoint:${name}`, label: name, kind: t.palette.endpoint, icon: "endpoints" as const, run: go(`/endpoints/${part(name)}`) }));
    const command = (id: string, label: string, icon: Command["icon"], run: () => void) => ({ id, label, kind: t.palette.command, icon, run });
    return [
      ...pages,
      command("create-endpoint", t.palette.createEndpoint, "plus", go("/endpoints?new=1")),
      command("create-token", t.palette.createToken, "plus", go("/tokens?new=1")),
      command("language", t.palette.switchLanguage, "language", () => setLocale(locale === "en" ? "ja" : "en")),
      command("light", t.palette.light, "sun", () => setTheme("light")),
      command("dark", t.palette.dark, "moon", () => setTheme("dark")),
      ...named,
    ];
  }, [t, ordinary, endpoints.data, navigate, locale, setLocale]);
  return <CommandPalette open={open} onClose={onClose} commands={commands} />;
}

function Shortcuts({ open, onClose }: { open: boolean; onClose(): void }) {
  const t = useT("shell").keys;
  const keys: [ReactNode, string][] = [
    [<Keys key="k" keys={[`${MODIFIER}K`]} />, t.palette],
    [<Keys key="/" keys={["/"]} />, t.search],
    [<Keys key="e" keys={["g", "e"]} />, t.goEndpoints],
    [<Keys key="p" keys={["g", "p"]} />, t.goPlayground],
    [<Keys key="c" keys={["g", "c"]} />, t.goCalls],
    [<Keys key="u" keys={["g", "u"]} />, t.goUsage],
    [<Keys key="?" keys={["?"]} />, t.help],
    [<Keys key="esc" keys={["Esc"]} />, t.close],
  ];
  return (
    <Dialog title={t.title} open={open} onClose={onClose}>
      <dl className="shortcuts">
        {keys.map(([shown, what]) => (
          <div key={what} style={{ display: "contents" }}>
            <dt>{shown}</dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

function Keys({ keys }: { keys: string[] }) {
  const t = useT("shell").keys;
  return (
    <span className="row" style={{ gap: "0.3rem" }}>
      {keys.map((key, index) => (
        <span key={key + index} className="row" style={{ gap: "0.3rem" }}>
          {index > 0 && <small className="faint">{t.then}</small>}
          <kbd className="kbd">{key}</kbd>
        </span>
      ))}
    </span>
  );
}
