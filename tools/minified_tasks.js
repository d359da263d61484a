// As `deno bundle --minify` writes a module, for the tests of `module`.
// deno-lint-ignore-file
// deno-fmt-ignore-file
import{basename as t}from"node:path";function o(e){return e+"!"}function r(e){return o(e)}function u(e){return e+1}function c(e){return new URL(e,import.meta.url).pathname.split("/").at(-1)}var n=e=>r(t(e))+u(1);export{c as here,n as task};
