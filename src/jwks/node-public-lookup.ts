import { isIP, type LookupFunction } from "node:net";
import { isPrivateAddress } from "./node-private-address.js";

/**
 * Creates a look-up of host names that fails when any address of the answer is private.
 *
 * A connection asks once and goes to one of the very addresses that were looked at, so that a name which resolves
 * differently the next time gains nothing. A mixed answer is refused as a whole: nobody who means well gives one.
 */
export function createPublicLookup(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    let answered = false;
    lookup(hostname, { ...options, all: true }, (error, found) => {
      // A second answer would come behind the back of whoever acted on the first.
      if (answered) return;
      answered = true;
      if (error !== null) {
        callback(error, []);
        return;
      }
      const addresses = (typeof found === "string" ? [{ address: found }] : found).map(({ address }) => ({
        address,
        family: isIP(address),
      }));
      const [first] = addresses;
      if (first === undefined || addresses.some(({ address }) => isPrivateAddress(address))) {
        callback(new Error("The host name does not resolve to public addresses alone"), []);
      } else if (options.all === true) {
        callback(null, addresses);
      } else {
        callback(null, first.address, first.family);
      }
    });
  };
}
