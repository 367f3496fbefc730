/** Where the identity provider sends the browser back to. */
import { useEffect, useState } from "react";
import { useLocation } from "wouter";
import { session } from "~/api/session";
import { ButtonLink } from "~/components/Button";
import { ErrorNote } from "~/components/states";
import { useT } from "~/i18n";
import { finishOidc, OidcRefusal, StateMismatch } from "./oidc";

export default function CallbackPage() {
  const t = useT("signin");
  const [, navigate] = useLocation();
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    finishOidc(window.location.search).then(
      ({ token, returnTo }) => {
        session.signIn(token, false);
        navigate(returnTo, { replace: true });
      },
      (thrown: unknown) => {
        if (thrown instanceof StateMismatch) setError(new Error(t.stateMismatch));
        else setError(thrown instanceof OidcRefusal ? new Error(t.oidcRefused(thrown.message)) : thrown);
      },
    );
  }, [navigate, t]);
  return (
    <main className="signin" id="main">
      <title>{`${t.title} · cloche`}</title>
      <div className="signin-box" role="status">
        <h1>{t.title}</h1>
        {error === null ? <p>{t.finishing}</p> : <ErrorNote error={error} />}
        {error !== null && <ButtonLink href="/signin">{t.back}</ButtonLink>}
      </div>
    </main>
  );
}
