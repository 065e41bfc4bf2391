import '../../support/oldest-nats-server.ts'
import '../admission.test.ts'
