/** Whether a URL's `hostname` is this machine: only there may plain HTTP carry keys and tokens. */
export const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
