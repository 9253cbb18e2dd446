const iss = 'https://login.example';

type Row = readonly [what: string, mapping: string, body: object, values: readonly unknown[]];

/** What a mapping is given, and what becomes of what it gives. */
export const rowsOf: readonly Row[] = [
  ['nothing is no signal', 'nobody', {}, []],
  ['one value is one signal', '{"a": b}', { b: 1 }, [{ a: 1 }]],
  ['an array is several', 'rows.{"a": $}', { rows: [1, 2] }, [{ a: 1 }, { a: 2 }]],
  ['headers and issuer', '{"h": $headers.`x-event`, "i": $issuer}', {}, [{ h: 'e', i: iss }]],
  ['$subject: an agent stands alone', '$subject($)', { agent: 'a', sub: 'b' }, [{ agent: 'a' }]],
  ['$subject: names of an issuer get it', '$subject($)', { sub: 'b', client_id: '' }, [{ iss, sub: 'b' }]],
  ['$subject: keys need none', '$subject($)', { jkt: 'k' }, [{ jkt: 'k' }]],
  [
    '$subject: its own issuer counts',
    '$subject($)',
    { iss: 'https://x', sub: 'b' },
    [{ iss: 'https://x', sub: 'b' }],
  ],
  ['$subject: an issuer alone names nobody', '$subject($)', { iss }, []],
  [
    '$subject: an address',
    '$subject($)',
    { email: 'a@b.example' },
    [{ format: 'email', email: 'a@b.example' }],
  ],
  [
    '$subject: a whole subject',
    '$subject($)',
    { subject: { format: 'opaque', id: '1' } },
    [{ format: 'opaque', id: '1' }],
  ],
  ['$subject: of a text nothing', '$subject("x")', {}, []],
  [
    '$signal: a row, its time as text, its words cut',
    '$signal($)',
    { event: 'e', sub: 's', _time: '1763764001.5', confidence: 'high', reason: 'r'.repeat(1_001), other: 1 },
    [
      {
        event: 'e',
        subject: { iss, sub: 's' },
        event_timestamp: 1_763_764_001.5,
        confidence: 'high',
        reason: 'r'.repeat(1_000),
      },
    ],
  ],
  [
    '$signal: what the row leaves out',
    '$signal($, {"event": "d", "time": "2026-11-21T00:00:00Z", "sub": "z"})',
    { event: '', sub: null },
    [{ event: 'd', subject: { iss, sub: 'z' }, event_timestamp: 1_795_219_200 }],
  ],
  ['$signal: of nothing', '$signal(nobody)', {}, [{ event: 'behavior-anomaly' }]],
];
