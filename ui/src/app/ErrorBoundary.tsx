/** A page that fails says so, and the rest stays usable. */
import { Component, type ReactNode } from "react";
import { Button } from "~/components/Button";
import { CodeBlock } from "~/components/copy";
import { useT } from "~/i18n";

export class ErrorBoundary extends Component<{ children: ReactNode; resetKey?: string }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override componentDidUpdate(before: { resetKey?: string }) {
    if (this.state.error && before.resetKey !== this.props.resetKey) this.setState({ error: null });
  }

  override render() {
    return this.state.error ? <Broken error={this.state.error} /> : this.props.children;
  }
}

function Broken({ error }: { error: Error }) {
  const t = useT("shell").broken;
  return (
    <div className="empty" role="alert">
      <h1>{t.title}</h1>
      <p>{t.help}</p>
      <Button kind="primary" onPress={() => window.location.reload()}>
        {t.reload}
      </Button>
      <CodeBlock code={`${error.name}: ${error.message}`} label={t.title} wrap />
    </div>
  );
}
