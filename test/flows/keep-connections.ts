/**
 * Preloaded (`node --require`) into the Node-RED of a test: its connections stay open. Otherwise the
 * server ends one that was idle for five seconds just when a test on a busy machine uses it again, and
 * the request fails (ECONNRESET).
 */
import { Server as HttpServer } from 'node:http';
import { Server } from 'node:net';

type Listen = (this: Server, ...where: unknown[]) => Server;

HttpServer.prototype.listen = function (this: HttpServer, ...where: unknown[]) {
  this.keepAliveTimeout = 600_000;
  // Looked up now: others may have put theirs in its place.
  return (Server.prototype.listen as Listen).apply(this, where) as HttpServer;
};
