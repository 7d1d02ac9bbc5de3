import type { Consumer, Verdict } from "../component/component.ts";
import type { Ended, Reading } from "../metrics/model.ts";

/** Where a component is put in and taken out while the ones around it run. Nobody there refuses everything. */
export class Relay implements Consumer {
  target: Consumer | undefined;

  consume(reading: Reading): Verdict {
    return this.target?.consume(reading) ?? "refused";
  }

  end(ended: Ended): void {
    this.target?.end(ended);
  }
}
