/** The frame: navigation at the side, a bar on top, the page between them. */
import { Suspense, useEffect, useRef, useState } from "react";
import { Dialog, Modal, ModalOverlay } from "react-aria-components";
import { Link, Redirect, Route, Switch, useLocation } from "wouter";
import { useLiveEvents, useLiveState } from "~/api/events";
import { useIsOrdinary, useMe } from "~/api/me";
import { session } from "~/api/session";
import { BeingLoaded } from "~/components/BeingLoaded";
import { Badge, StateDot, type Tone } from "~/components/Badge";
import { Button, ButtonLink, IconButton } from "~/components/Button";
import { Icon, Logo } from "~/components/Icon";
import { Menu } from "~/components/Menu";
import { Page } from "~/components/Page";
import { Tip } from "~/components/Tip";
import { useLanguage, useT } from "~/i18n";
import { ErrorBoundary } from "./ErrorBoundary";
import { Keyboard } from "./Keyboard";
import { GROUPS, PAGES } from "./navigation";
import { setTheme, type Theme, useTheme } from "./theme";

export function Shell() {
  const t = useT("shell");
  const [path] = useLocation();
  const [drawer, setDrawer] = useState(false);
  const [open, setOpen] = useState<"palette" | "keys" | null>(null);
  const main = useRef<HTMLElement>(null);
  useLiveEvents();
  useFocusOnNewPage(path, main);
  useEffect(() => setDrawer(false), [path]);
  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        {t.skip}
      </a>
      <aside className="side" aria-label={t.product}>
        <Side onSearch={() => setOpen("palette")} />
      </aside>
      <div>
        <Top onMenu={() => setDrawer(true)} onSearch={() => setOpen("palette")} onKeys={() => setOpen("keys")} />
        <main id="main" className="main" ref={main} tabIndex={-1}>
          <ErrorBoundary resetKey={path}>
            <Suspense fallback={<BeingLoaded />}>
              <Pages />
            </Suspense>
          </ErrorBoundary>
        </main>
      </div>
      <ModalOverlay className="modal-overlay start" isOpen={drawer} onOpenChange={setDrawer} isDismissable>
        <Modal className="nav-drawer">
          <Dialog aria-label={t.nav.label} className="dialog">
            <Side onSearch={() => (setDrawer(false), setOpen("palette"))} />
          </Dialog>
        </Modal>
      </ModalOverlay>
      <Keyboard open={open} setOpen={setOpen} />
    </div>
  );
}

function Pages() {
  const t = useT("shell").notFound;
  return (
    <Switch>
      <Route path="/">
        <Redirect to="/endpoints" replace />
      </Route>
      {PAGES.map(({ path, page: Content }) => (
        <Route key={path} path={`${path}/*?`}>
          <Content />
        </Route>
      ))}
      <Route>
        <Page title={t.title} help={t.help}>
          <span>
            <ButtonLink href="/endpoints">{t.back}</ButtonLink>
          </span>
        </Page>
      </Route>
    </Switch>
  );
}

/** Who reads with a screen reader learns that there is a new page; the first one is announced by the browser. */
function useFocusOnNewPage(path: string, main: React.RefObject<HTMLElement | null>): void {
  const before = useRef(path);
  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [path, main]);
}

function Side({ onSearch }: { onSearch(): void }) {
  const t = useT("shell");
  const ordinary = useIsOrdinary();
  const [path] = useLocation();
  return (
    <>
      <Link href="/endpoints" className="brand">
        <Logo />
        {t.product}
      </Link>
      <Button className="side-search" onPress={onSearch}>
        <span className="row">
          <Icon name="search" size={14} />
          {t.search}
        </span>
        <kbd className="kbd">{MODIFIER}K</kbd>
      </Button>
      <nav className="nav" aria-label={t.nav.label}>
        {GROUPS.map((group) => (
          <div className="nav-group" key={group.id} role="group" aria-label={t.nav[group.id]}>
            <span className="nav-title" aria-hidden="true">
              {t.nav[group.id]}
            </span>
            {group.pages.filter((page) => !(page.admin && ordinary)).map((page) => (
              <Link key={page.path} href={page.path} className="nav-link" aria-current={path === page.path || path.startsWith(`${page.path}/`) ? "page" : undefined}>
                <Icon name={page.id} />
                {t.nav[page.id]}
              </Link>
            ))}
          </div>
        ))}
      </nav>
    </>
  );
}

/** What the command key is called on this machine. */
export const MODIFIER = /Mac|iP(hone|ad)/.test(navigator.platform) ? "⌘" : "Ctrl ";

const LIVE_TONES: Record<ReturnType<typeof useLiveState>, Tone> = { live: "ok", connecting: "idle", lost: "warn", off: "idle" };

function Top({ onMenu, onSearch, onKeys }: { onMenu(): void; onSearch(): void; onKeys(): void }) {
  const t = useT("shell");
  const live = useLiveState();
  return (
    <header className="top">
      <IconButton className="menu-button" label={t.openMenu} icon="menu" onPress={onMenu} />
      <span className="host truncate" title={window.location.host}>
        {window.location.host}
      </span>
      <Tip text={t.liveHelp}>
        <Button kind="quiet" small className="live" aria-label={t.live[live]}>
          <StateDot tone={LIVE_TONES[live]} label={t.live[live]} pulse={live === "lost"} />
        </Button>
      </Tip>
      <span className="grow" />
      <IconButton className="menu-button" label={t.search} icon="search" onPress={onSearch} />
      <LanguageButton />
      <ThemeMenu />
      <UserMenu onKeys={onKeys} />
    </header>
  );
}

export function LanguageButton() {
  const { locale, setLocale } = useLanguage();
  const other = locale === "en" ? ({ id: "ja", name: "日本語" } as const) : ({ id: "en", name: "English" } as const);
  return (
    <Button kind="quiet" aria-label={other.name} onPress={() => setLocale(other.id)}>
      <Icon name="language" />
      <span lang={other.id} className="language-name">
        {other.name}
      </span>
    </Button>
  );
}

export function ThemeMenu() {
  const t = useT("shell");
  const theme = useTheme();
  const themes: Theme[] = ["auto", "light", "dark"];
  const entries = themes.map((id) => ({ id, label: t.themes[id], icon: id === theme ? ("check" as const) : undefined, onAction: () => setTheme(id) }));
  return <Menu label={t.theme} entries={entries} trigger={<IconButton label={t.theme} icon={theme === "dark" ? "moon" : "sun"} />} />;
}

function UserMenu({ onKeys }: { onKeys(): void }) {
  const t = useT("shell");
  const me = useMe();
  const [, navigate] = useLocation();
  const name = me.data?.displayName || me.data?.userName || "…";
  const entries = [
    { id: "tokens", label: t.nav.tokens, icon: "tokens" as const, onAction: () => navigate("/tokens") },
    { id: "keys", label: t.shortcuts, icon: "info" as const, onAction: onKeys },
    { id: "openapi", label: t.documentation, icon: "external" as const, onAction: () => window.open("/openapi.json", "_blank", "noopener") },
    { id: "out", label: t.signOut, icon: "right" as const, onAction: session.signOut },
  ];
  const trigger = (
    <Button kind="quiet" aria-label={`${t.account}: ${name}`}>
      <Badge tone="accent">{name}</Badge>
      <Icon name="chevron" size={14} />
    </Button>
  );
  return <Menu label={t.account} heading={me.data ? t.signedInAs(me.data.userName) : undefined} entries={entries} trigger={trigger} />;
}
