// What was just done is said once: the address forgets it, so that neither a reload nor a link says it again.

const address = new URL(location.href);
if (address.searchParams.has("done")) {
  for (const name of ["done", "number", "deleted"]) address.searchParams.delete(name);
  history.replaceState(history.state, "", address);
}
