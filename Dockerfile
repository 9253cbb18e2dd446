# syntax=docker/dockerfile:1

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY scripts ./scripts
RUN npm run build && npm run prepare && npm prune --ignore-scripts --omit=dev --no-audit --no-fund

FROM node:24-bookworm-slim
ENV HOST=0.0.0.0 PORT=8080 DATA_DIR=/var/lib/caep-hub
WORKDIR /opt/caep-hub
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY --from=build /build/assets ./assets
COPY migrations ./migrations
COPY LICENSE ./
RUN install --directory --owner=node --group=node --mode=0700 /var/lib/caep-hub
USER node
VOLUME /var/lib/caep-hub
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "--eval", "const { PORT, TLS_CERT_FILE } = process.env; (TLS_CERT_FILE ? https : http).get({ host: '127.0.0.1', port: PORT, path: '/healthz', rejectUnauthorized: false }, (answer) => process.exit(answer.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["serve"]
