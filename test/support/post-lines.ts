export type BatchAnswer = {
  readonly status: number;
  readonly type: string | null;
  /** Each line of the answer, parsed; a problem is one line. */
  readonly lines: readonly Record<string, unknown>[];
};

/** Posts text to /v1/signals as it stands: as the administrator, unless `token` says as whom; `null` is nobody. */
export async function postLines(
  hub: { readonly url: string; readonly adminToken: string },
  text: string | Uint8Array,
  more: { readonly type?: string; readonly query?: string; readonly token?: string | null } = {},
): Promise<BatchAnswer> {
  const { type = 'application/x-ndjson', query = '', token = hub.adminToken } = more;
  const response = await fetch(`${hub.url}/v1/signals${query}`, {
    method: 'POST',
    headers: { 'content-type': type, ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
    body: text,
  });
  const answered = await response.text();
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    lines: answered
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}
