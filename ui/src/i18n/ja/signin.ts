import type { signin as shape } from "../en/signin";

export const signin: typeof shape = {
  title: "サインイン",
  intro: (host) => `サービングホスト ${host} にサインインします`,
  token: "アクセストークン",
  tokenHelp: "dapi で始まる文字列です。このタブにのみ保持し、このサーバー以外には送信しません。",
  remember: "このブラウザーでサインインしたままにする",
  rememberHelp: "サインアウトするまで、トークンをブラウザーに保存します。共用の端末では使わないでください。",
  submit: "サインイン",
  or: "または",
  oidc: (issuer) => `${issuer} でサインイン`,
  insecure: "このサインイン方法には HTTPS が必要です。https で始まるアドレスで開いてください。",
  where: "トークンはどこにありますか?",
  whereFirst: "cloche は初回起動時に一度だけ、最初のトークンを次のように表示します。",
  whereNext: "見つからない場合は、サーバーのマシンで新しく発行できます。",
  whereOther: "管理者であれば、「トークン」ページからあなたのトークンを発行することもできます。",
  refused: "このトークンはサーバーに登録されていません。期限切れか失効の可能性があります。最後までコピーできているか確認してください。",
  finishing: "サインインしています…",
  stateMismatch: "このタブで始めたサインインではないか、時間が経ちすぎています。最初からやり直してください。",
  oidcRefused: (why) => `サインインが拒否されました: ${why}`,
  back: "サインインに戻る",
};
