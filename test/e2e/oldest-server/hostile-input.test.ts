import '../../support/oldest-nats-server.ts'
import '../hostile-input.test.ts'
