/** Signed in: the shell and its pages. Not signed in: the sign-in page, which comes back to where one wanted to go. */
import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect } from "react";
import { I18nProvider, RouterProvider } from "react-aria-components";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { session, useSignedIn } from "~/api/session";
import { BeingLoaded } from "~/components/BeingLoaded";
import { Toasts } from "~/components/Toast";
import { useLanguage } from "~/i18n";
import { ErrorBoundary } from "./ErrorBoundary";
import { returnPath } from "./return-path";
import { Shell } from "./Shell";

const SignInPage = lazy(() => import("~/pages/signin/SignInPage"));
const CallbackPage = lazy(() => import("~/pages/signin/CallbackPage"));

export function App() {
  const { locale } = useLanguage();
  const [, navigate] = useLocation();
  const signedIn = useSignedIn();
  const queries = useQueryClient();
  // What one person was allowed to see is not there for the next.
  useEffect(() => session.subscribe(() => queries.clear()), [queries]);
  return (
    <I18nProvider locale={locale === "ja" ? "ja-JP" : "en-US"}>
      <RouterProvider navigate={(path) => navigate(path)}>
        <ErrorBoundary>
          <Suspense fallback={<BeingLoaded />}>
            <Switch>
              <Route path="/signin/callback" component={CallbackPage} />
              <Route path="/signin">{signedIn ? <Redirect to={returnPath(window.location.search)} replace /> : <SignInPage />}</Route>
              <Route>{signedIn ? <Shell /> : <Redirect to={signInPath()} replace />}</Route>
            </Switch>
          </Suspense>
        </ErrorBoundary>
        <Toasts />
      </RouterProvider>
    </I18nProvider>
  );
}

function signInPath(): string {
  const here = window.location.pathname + window.location.search;
  return here === "/" || here === "/endpoints" ? "/signin" : `/signin?return=${encodeURIComponent(here)}`;
}
