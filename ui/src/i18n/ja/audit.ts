import type { audit as shape } from "../en/audit";

export const audit: typeof shape = {
  title: "監査ログ",
  help: "すべての変更について、誰が、何を、いつ、どこから行ったかを記録します。記録は追加されるだけで、書き換えられることはありません。シークレットは伏せられます。",
  user: "ユーザー",
  action: "操作",
  target: "対象",
  time: "日時",
  address: "接続元",
  requestId: "リクエスト ID",
  since: "期間",
  periods: { hour: "過去 1 時間", day: "過去 24 時間", week: "過去 7 日間", month: "過去 30 日間", all: "すべて" },
  before: "変更前",
  after: "変更後",
  nothing: "なし",
  emptyTitle: "変更はまだありません",
  emptyHelp: "今後行われた変更がここに一覧表示されます。",
};
