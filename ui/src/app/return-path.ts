/** Where one goes after signing in: a path of these pages, never another site. */
export function returnPath(search: string): string {
  const asked = new URLSearchParams(search).get("return") ?? "";
  return /^\/(?![/\\])/.test(asked) && !asked.startsWith("/signin") ? asked : "/endpoints";
}
