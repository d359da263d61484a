// Article 003, `threading.Thread`: five threads say hello. A thread is a worker here: it runs on a core of its own, and
// shares no variables.

import { Thread } from "@manycore/parallel";

function helloThread(number: number): void {
  console.log(`Hello from Thread ${number}`);
}

if (import.meta.main) {
  for (let number = 0; number < 5; number++) {
    new Thread({ target: helloThread, args: [number] }).start();
  }
}
