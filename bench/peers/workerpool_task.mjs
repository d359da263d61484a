import workerpool from "workerpool";
workerpool.worker({ inc: (n) => n + 1 });
