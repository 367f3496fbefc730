import type { providers as shape } from "../en/providers";

const TITLES: Record<string, string> = {
  custom: "OpenAI 互換のサービス",
  openai: "OpenAI / Azure OpenAI",
};

const LABELS: Record<string, string> = {
  aws_region: "AWS リージョン",
  bedrock_provider: "モデルの提供元",
  aws_access_key_id: "AWS アクセスキー ID",
  aws_secret_access_key: "AWS シークレットアクセスキー",
  aws_session_token: "AWS セッショントークン",
  instance_profile_arn: "インスタンスプロファイル ARN",
  aws_api_base: "AWS API のベース URL",
  bedrock_api_type: "Bedrock API の種類",
  custom_provider_url: "URL",
  "bearer_token_auth.token": "Bearer トークン",
  "api_key_auth.key": "API キーのヘッダー名",
  "api_key_auth.value": "API キーの値",
  databricks_workspace_url: "Databricks ワークスペース URL",
  databricks_api_token: "Databricks API トークン",
  project_id: "プロジェクト ID",
  region: "リージョン",
  private_key: "秘密鍵",
  vertex_api_base: "Vertex API のベース URL",
  vertex_token_uri: "トークンの URI",
  openai_api_type: "API の種類",
  openai_api_version: "API のバージョン",
  openai_deployment_name: "デプロイ名",
  openai_organization: "組織",
  microsoft_entra_tenant_id: "Microsoft Entra テナント ID",
  microsoft_entra_client_id: "Microsoft Entra クライアント ID",
  microsoft_entra_client_secret: "Microsoft Entra クライアントシークレット",
  microsoft_entra_authority: "Microsoft Entra の認証局",
};

const HELP: Record<string, string> = {
  aws_region: "us-east-1 のようなリージョン名です。",
  bedrock_provider: "モデルを提供している会社です。",
  instance_profile_arn: "キーの代わりに、ホスト自身の認証情報、またはそれで引き受けるロールを使います。",
  aws_api_base: "リージョンの bedrock-runtime と異なる URL を使う場合に指定します。",
  bedrock_api_type: "チャットに使う API です。既定は converse です。",
  cohere_api_base: "ベース URL です。/v2/chat（/v1 で終わる場合は /chat）を付けて呼び出します。既定は https://api.cohere.com です。",
  custom_provider_url: "バージョンで終わるベース URL（/chat/completions を付けて呼び出します）、または完全な URL です。",
  "api_key_auth.key": "サービス独自のヘッダーでキーを送る場合のヘッダー名です。",
  databricks_workspace_url: "呼び出し先のワークスペースです。モデル名と同じ名前のサービングエンドポイントを呼び出します。",
  gemini_api_base: "API のバージョンを含むベース URL です。既定は https://generativelanguage.googleapis.com/v1beta です。",
  project_id: "Google Cloud のプロジェクト ID です。",
  region: "リージョン名、us、eu、または global です。",
  private_key: "サービスアカウントまたはワークロード ID の JSON 全体です。",
  vertex_api_base: "リージョンと異なる URL を使う場合に指定します。",
  vertex_token_uri: "JSON と異なるトークンサーバーを使う場合に指定します。",
  llama_cpp_api_base: "llama.cpp サーバーのベース URL です。",
  openai_api_base: "https://api.openai.com/v1 と異なる URL を使う場合に指定します。Azure ではリソースの URL です。",
  openai_api_type: "openai（既定）、azure、azuread のいずれかです。",
  openai_api_version: "Azure で使う API のバージョン（日付）です。",
  openai_deployment_name: "Azure でのデプロイ名です。",
  openai_organization: "OpenAI-Organization として送信します。",
  microsoft_entra_tenant_id: "Azure をトークンで使う場合のディレクトリです。",
  microsoft_entra_client_id: "Azure をトークンで使う場合のアプリケーションです。",
  microsoft_entra_authority: "Entra の公開エンドポイント以外からトークンを取得する場合に指定します。",
};

const DEPRECATED: Record<string, string> = {
  palm: "PaLM API は Google により提供が終了しました。プロバイダー google-cloud-vertex-ai で Gemini のモデルを使ってください。",
};

export const providers: typeof shape = {
  title: (name, told) => TITLES[name] ?? told,
  label: (field, told) => LABELS[field] ?? (field.endsWith("_api_key") ? "API キー" : field.endsWith("_api_base") ? "API のベース URL" : told),
  help: (field, told) => {
    const url = /https?:\/\/[^\s;]+/.exec(told)?.[0];
    if (HELP[field]) return HELP[field];
    return field.endsWith("_api_base") && url ? `${url} と異なる URL を使う場合に指定します。` : told;
  },
  deprecated: (name, told) => DEPRECATED[name] ?? told,
};
