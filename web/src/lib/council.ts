// Whose nodes take part in consensus, and whose the council wants: these differ until an epoch ends, or longer.

import type { Schemas } from '../api/client';

/// A node, and how it stands.
export interface Node {
  validator: Schemas['Validator'];
  /// Takes part; takes part although it is dismissed; is to take part.
  stands: 'inForce' | 'leaves' | 'wanted';
  /// Where it is to be reached from the next epoch on, if that is elsewhere.
  moves?: string;
}

/// The nodes that take part, wanted by the council or not, and after them those that it wants and that do not take part yet.
export function nodes(council: Pick<Schemas['CouncilView'], 'validators' | 'appointed'>): Node[] {
  const present = council.validators.validators.map((validator): Node => {
    const wanted = council.appointed.find((appointed) => appointed.validator.key === validator.key)?.validator;
    const moves = wanted?.address !== validator.address ? (wanted?.address ?? undefined) : undefined;
    return { validator, stands: wanted ? 'inForce' : 'leaves', moves };
  });
  const waiting = council.appointed.filter((appointed) => !appointed.in_force);
  return [...present, ...waiting.map(({ validator }): Node => ({ validator, stands: 'wanted' }))];
}
