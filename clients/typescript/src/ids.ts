/** Ids of transfers, batches and payments. */

/** A new UUID of version 7 (RFC 9562): ids that grow with time cost the ledger least. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const millis = Date.now();
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(millis / 0x1_0000));
  view.setUint16(4, millis % 0x1_0000);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [8, 12, 16, 20]
    .map((end, part, ends) => hex.slice(ends[part - 1] ?? 0, end))
    .concat(hex.slice(20))
    .join("-");
}
