/**
 * The words of the pages, in two languages.
 *
 * `en/<area>.ts` is the shape; `ja/<area>.ts` must have the same, or the build fails. A text with something in it is a
 * function, so that each language decides about order and plurals. Only the language in use is loaded.
 */
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from "react";
import { type Format, formatFor } from "./format";

export type Locale = "en" | "ja";
export type Dictionary = typeof import("./en").default;

/** English plurals: `plural(n, "call", "calls")` is "1 call" or "12 calls". */
export function plural(count: number, one: string, many: string): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

const KEY = "cloche.language";
const LOADERS: Record<Locale, () => Promise<{ default: Dictionary }>> = {
  en: () => import("./en"),
  ja: () => import("./ja"),
};

export function firstLocale(): Locale {
  const kept = localStorage.getItem(KEY);
  if (kept === "en" || kept === "ja") return kept;
  return navigator.languages.find((tag) => /^(en|ja)\b/.test(tag))?.startsWith("ja") ? "ja" : "en";
}

interface Language {
  locale: Locale;
  words: Dictionary;
  format: Format;
  setLocale(locale: Locale): void;
}

const Context = createContext<Language | null>(null);

export function LanguageProvider({ first, words, children }: { first: Locale; words: Dictionary; children: ReactNode }) {
  const [held, setHeld] = useState({ locale: first, words });
  const setLocale = useCallback((locale: Locale) => {
    localStorage.setItem(KEY, locale);
    void LOADERS[locale]().then((loaded) => setHeld({ locale, words: loaded.default }));
  }, []);
  useEffect(() => {
    document.documentElement.lang = held.locale;
  }, [held.locale]);
  const value = useMemo(() => ({ ...held, format: formatFor(held.locale), setLocale }), [held, setLocale]);
  return <Context value={value}>{children}</Context>;
}

export const loadWords = async (locale: Locale): Promise<Dictionary> => (await LOADERS[locale]()).default;

export function useLanguage(): Language {
  const language = useContext(Context);
  if (!language) throw new Error("LanguageProvider is missing");
  return language;
}

/** The words of one area: `const t = useT("endpoints")`, then `t.title`. */
export function useT<Area extends keyof Dictionary>(area: Area): Dictionary[Area] {
  return useLanguage().words[area];
}

export function useFormat(): Format {
  return useLanguage().format;
}
