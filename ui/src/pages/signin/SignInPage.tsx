/** Signing in with a token, or through the company's identity provider where the server has one. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { send } from "~/api/client";
import { ApiError } from "~/api/errors";
import { ME, type SignInOptions } from "~/api/me";
import { session } from "~/api/session";
import { returnPath } from "~/app/return-path";
import { LanguageButton, ThemeMenu } from "~/app/Shell";
import { Button } from "~/components/Button";
import { CodeBlock } from "~/components/copy";
import { Dialog } from "~/components/Dialog";
import { Checkbox, TextField } from "~/components/fields";
import { Logo } from "~/components/Icon";
import { Banner, ErrorNote } from "~/components/states";
import { useT } from "~/i18n";
import { beginOidc } from "./oidc";

export default function SignInPage() {
  const t = useT("signin");
  const options = useQuery({
    queryKey: ["sign-in"],
    queryFn: async ({ signal }) => (await (await send("GET", "/api/2.0/sign-in", { signal, anonymous: true })).json()) as SignInOptions,
    retry: false,
    staleTime: Infinity,
  });
  const oidc = options.data?.oidc;
  return (
    <main className="signin" id="main">
      <title>{`${t.title} · cloche`}</title>
      <div className="signin-box">
        <header className="stack tight">
          <span className="brand">
            <Logo />
            cloche
          </span>
          <h1 className="sr-only">{t.title}</h1>
          <p className="muted">{t.intro(window.location.host)}</p>
        </header>
        {oidc && (
          <>
            <Button kind="primary" isDisabled={!window.isSecureContext} onPress={() => void beginOidc(oidc, returnPath(window.location.search))}>
              {t.oidc(hostOf(oidc.issuer))}
            </Button>
            {!window.isSecureContext && <Banner tone="warn">{t.insecure}</Banner>}
            <span className="or">{t.or}</span>
          </>
        )}
        <TokenForm />
        <footer className="row between">
          <LanguageButton />
          <ThemeMenu />
        </footer>
      </div>
    </main>
  );
}

function hostOf(issuer: string): string {
  return URL.canParse(issuer) ? new URL(issuer).host : issuer;
}

function TokenForm() {
  const t = useT("signin");
  const [token, setToken] = useState("");
  const [remember, setRemember] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [help, setHelp] = useState(false);
  const submit = async () => {
    const value = token.trim();
    if (!value || busy) return;
    setBusy(true);
    setError(null);
    try {
      await tryToken(value);
      session.signIn(value, remember);
    } catch (thrown) {
      setError(thrown);
      setBusy(false);
    }
  };
  const refused = error instanceof ApiError && error.status === 401;
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <TextField label={t.token} type="password" mono value={token} onChange={setToken} help={t.tokenHelp} error={refused ? t.refused : null} autoFocus autoComplete="off" />
      <Checkbox checked={remember} onChange={setRemember}>
        {t.remember}
        <span className="option-help faint" style={{ display: "block", fontSize: "var(--text-xs)" }}>
          {t.rememberHelp}
        </span>
      </Checkbox>
      {error !== null && !refused && <ErrorNote error={error} />}
      <Button type="submit" kind="primary" busy={busy} isDisabled={!token.trim()}>
        {t.submit}
      </Button>
      <Button kind="quiet" onPress={() => setHelp(true)}>
        {t.where}
      </Button>
      <Dialog title={t.where} open={help} onClose={() => setHelp(false)}>
        <p>{t.whereFirst}</p>
        <CodeBlock label={t.whereFirst} code={"cloche is ready at http://127.0.0.1:8080\n\n  token     dapi…\n            shown this once: keep it"} />
        <p>{t.whereNext}</p>
        <CodeBlock label={t.whereNext} code="cloche token create --comment browser" />
        <p>{t.whereOther}</p>
      </Dialog>
    </form>
  );
}

/** Whether the server knows the token. Nothing is kept before it does. */
async function tryToken(token: string): Promise<void> {
  await send("GET", ME, { anonymous: true, headers: { Authorization: `Bearer ${token}` } });
}
