import { Server } from 'node:https';
import { timeText } from '../adapters/system/tls-files.ts';
import { createTlsRenewal } from '../adapters/system/tls-renewal.ts';
import { coalesce } from '../core/coalesce.ts';
import type { HubServer, ServerOptions } from '../http/server.ts';
import { tlsSettings } from '../http/tls.ts';
import { type Hub, type Platform, warn } from './platform.ts';

/** How soon a renewed certificate is served with. */
const lookEveryMs = 5_000;

/** Of a hub that others do not come to, `Strict-Transport-Security` would bind `localhost`, and whatever else listens there. */
export const serverTlsOf = ({ tls, publicUrl }: Platform): Pick<ServerOptions, 'tls' | 'strictTransport'> =>
  tls === undefined ? {} : { tls: tls.first, strictTransport: !publicUrl.isLoopback };

/** Serves with whatever pair is in the files from now on. Connections that are open stay as they are. */
export function wireTls({ server }: HubServer, { tls, parts, clock, closers, log }: Hub): void {
  if (tls === undefined || !(server instanceof Server)) return;
  const renewal = createTlsRenewal({
    ...tls,
    use: (pair) => server.setSecureContext(tlsSettings(pair)),
    nowMs: clock.nowMs,
    onRenewed: ({ endsAtMs }) => log.info({ endsAt: timeText(endsAtMs) }, 'the certificate was renewed'),
    onRefused: (problem) =>
      log.error({ err: problem }, 'the certificate in the files is refused; the one in use goes on'),
  });
  parts.set('certificate', () => ({ notices: renewal.notices() }));
  const look = coalesce(renewal.look);
  const onError = warn(log, 'the certificate in the files was not looked at');
  const timer = setInterval(() => void look().catch(onError), lookEveryMs);
  closers.add('certificate', () => clearInterval(timer));
}
