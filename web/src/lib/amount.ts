// Money and quantities: exact decimal strings outside, whole numbers inside. No amount ever becomes a float that is shown.

/// Millionths of the settlement currency in a decimal string.
export function micro(money: string): bigint {
  const [units = '0', decimals = ''] = money.split('.');
  return BigInt(units) * 1_000_000n + BigInt(decimals.padEnd(6, '0').slice(0, 6));
}

/// A decimal string of millionths.
export function money(micro: bigint): string {
  const sign = micro < 0n ? '-' : '';
  const digits = (micro < 0n ? -micro : micro).toString().padStart(7, '0');
  return `${sign}${digits.slice(0, -6)}.${digits.slice(-6)}`;
}

/// What a person typed as money, as the node takes it; nothing if it is no amount.
export function parseMoney(text: string): string | undefined {
  const plain = text.trim().replaceAll(/[,，\s¥￥]/g, '');
  return /^\d{1,13}(\.\d{1,6})?$/.test(plain) ? money(micro(plain)) : undefined;
}

export type Carrier = 'electricity' | 'heating' | 'cooling' | 'hot_water' | 'gas' | 'water';
export const CARRIERS: Carrier[] = ['electricity', 'heating', 'cooling', 'hot_water', 'gas', 'water'];

/// Base units in a unit that people read: a kilowatt-hour or a cubic metre.
export function baseUnits(carrier: Carrier): bigint {
  return carrier === 'electricity' || carrier === 'heating' || carrier === 'cooling' ? 3_600_000n : 1_000_000n;
}

/// The unit that people read.
export function unit(carrier: Carrier): 'kWh' | 'm³' {
  return baseUnits(carrier) === 3_600_000n ? 'kWh' : 'm³';
}

/// What a price of a carrier is per, as the ledger names it.
export function priceUnit(carrier: Carrier): 'kilowatt_hour' | 'cubic_metre' {
  return unit(carrier) === 'kWh' ? 'kilowatt_hour' : 'cubic_metre';
}

/// A quantity of base units in readable units, rounded half up to `decimals` places: a decimal string.
export function readable(quantity: bigint, carrier: Carrier, decimals = 3): string {
  const per = baseUnits(carrier);
  const scale = 10n ** BigInt(decimals);
  const scaled = (quantity * scale * 2n + per) / (per * 2n);
  const digits = scaled.toString().padStart(decimals + 1, '0');
  return decimals ? `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}` : digits;
}

/// What a person typed in readable units, in base units; nothing if it is no quantity or no whole number of base units.
export function parseQuantity(text: string, carrier: Carrier): bigint | undefined {
  const plain = text.trim().replaceAll(/[,，\s]/g, '');
  if (!/^\d{1,12}(\.\d{1,6})?$/.test(plain)) return undefined;
  const [units = '0', decimals = ''] = plain.split('.');
  const scaled = BigInt(units + decimals.padEnd(6, '0')) * baseUnits(carrier);
  return scaled % 1_000_000n === 0n ? scaled / 1_000_000n : undefined;
}

/// A quantity in readable units as a number, for the height of a mark in a chart and nothing else.
export function height(quantity: bigint, carrier: Carrier): number {
  return Number(quantity) / Number(baseUnits(carrier));
}
